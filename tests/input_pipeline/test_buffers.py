"""Memory is used again when, and only when, nobody can see it any more."""

import threading

import jax
import numpy as np

from stpn_jax.input_pipeline import buffers


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_is_used_again_once_all_views_are_gone():
    made = buffers.Buffers()
    first = made.empty((4, 5))
    place = address(first)
    view = first[1:].reshape(-1)[2:]
    del first
    assert address(made.empty((4, 5))) != place
    del view
    assert address(made.empty((5, 4))) == place


def test_what_is_held_is_never_written_to():
    made, wrong = buffers.Buffers(), []

    def work(value):
        held = []
        for _ in range(200):
            array = made.empty((64,))
            array[:] = value
            held = [*held[-3:], array[8:]]
            wrong.extend(one for one in held if (one != value).any())

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_array_on_the_device_keeps_its_memory():
    made = buffers.Buffers()
    on_device = []
    for value in range(6):
        array = made.empty((1 << 16,))
        array[:] = value
        on_device.append(jax.device_put(array))
        del array
    for value, array in enumerate(on_device):
        assert (np.asarray(array) == value).all()


def test_memory_of_another_size_is_given_back():
    made = buffers.Buffers()
    for size in (10, 20, 30):
        made.empty((size,))
    assert [owner.size for owner in made._owners] == [30]
