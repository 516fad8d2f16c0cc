"""Dual TV-L1 optical flow, step for step as OpenCV computes it."""
import dataclasses, functools
import jax, jax.numpy as jnp, numpy as np

@dataclasses.dataclass(frozen=True)
class Parameters:
    tau: float = 0.25
    weight: float = 0.15
    theta: float = 0.3
    scales: int = 5
    scale_step: float = 0.8
    warps: int = 5
    epsilon: float = 0.01
    inner_iterations: int = 30
    outer_iterations: int = 10
    median: int = 5

def resize_matrix(source, target, scale):
    c = (np.arange(target) + .5) * scale - .5
    low = np.clip(np.floor(c).astype(int), 0, source - 1)
    f = np.where((c < 0) | (low >= source - 1), 0., c - low)
    m = np.zeros((target, source), np.float32)
    m[np.arange(target), low] += (1 - f)
    m[np.arange(target), np.minimum(low + 1, source - 1)] += f
    return m

def resize(img, size, scale):
    my = resize_matrix(img.shape[-2], size[0], scale[0]); mx = resize_matrix(img.shape[-1], size[1], scale[1])
    return jnp.einsum("Yy,...yx,Xx->...YX", my, img, mx, precision="highest")

def sizes(h, w, p):
    out = [(h, w)]
    while len(out) < p.scales:
        s = tuple(round(v * p.scale_step) for v in out[-1])
        if min(s) < 16: break
        out.append(s)
    return out

def diff(a, axis):
    n = a.shape[axis]
    s = lambda i, j: jax.lax.slice_in_dim(a, i, j, axis=axis)
    return .5 * jnp.concatenate([s(1, 2) - s(0, 1), s(2, n) - s(0, n-2), s(n-1, n) - s(n-2, n-1)], axis)

def cubic(t):
    A = -.75
    w0 = ((A*(t+1) - 5*A)*(t+1) + 8*A)*(t+1) - 4*A
    w1 = ((A+2)*t - (A+3))*t*t + 1
    w2 = ((A+2)*(1-t) - (A+3))*(1-t)*(1-t) + 1
    return w0, w1, w2, 1 - w0 - w1 - w2

def warp(maps, u):
    _, h, w = maps.shape
    P = 3
    pad = jnp.pad(maps, ((0,0),(P,P),(P,P)))
    flat = pad.reshape(maps.shape[0], -1)
    x = jnp.clip(jnp.arange(w, dtype=jnp.float32)[None] + u[0], -2., w + 1.)
    y = jnp.clip(jnp.arange(h, dtype=jnp.float32)[:, None] + u[1], -2., h + 1.)
    xi = jnp.floor(x); yi = jnp.floor(y)
    wx = cubic(x - xi); wy = cubic(y - yi)
    base = (yi.astype(jnp.int32) + P) * (w + 2*P) + xi.astype(jnp.int32) + P
    base = base
    out = 0.
    for j in range(4):
        for i in range(4):
            idx = base + (j-1) * (w + 2*P) + (i-1)
            idx = jnp.clip(idx, 0, flat.shape[1]-1)
            out = out + (wy[j]*wx[i])[None] * flat[:, idx]
    return out

def median(u, k):
    if k <= 1: return u
    r = k // 2
    pad = jnp.pad(u, ((0,0),(r,r),(r,r)), mode="edge")
    h, w = u.shape[1:]
    return jnp.median(jnp.stack([pad[:, j:j+h, i:i+w] for j in range(k) for i in range(k)]), axis=0)

def divergence(px, py):
    return px - jnp.pad(px[:, :, :-1], ((0,0),(0,0),(1,0))) + py - jnp.pad(py[:, :-1], ((0,0),(1,0),(0,0)))

def one_scale(I0, I1, u, p):
    h, w = I0.shape
    maps = jnp.stack([I1, diff(I1, 1), diff(I1, 0)])
    eps = p.epsilon**2 * h * w
    lt, taut = p.weight * p.theta, p.tau / p.theta
    px = py = jnp.zeros((2, h, w))
    def dowarp(carry, _):
        u, px, py = carry
        wm = warp(maps, u)
        g = wm[1:]; grad = (g*g).sum(0)
        rho_c = wm[0] - (g*u).sum(0) - I0
        inv = jnp.where(grad > np.finfo(np.float32).eps, 1/grad, 0)
        def inner(c):
            u, px, py, n, err = c
            rho = rho_c + (g*u).sum(0)
            f = jnp.where(rho < -lt*grad, lt, jnp.where(rho > lt*grad, -lt, -rho*inv))
            new = u + f*g + p.theta*divergence(px, py)
            err = jnp.sum((new-u)**2)
            ux = jnp.pad(new[:, :, 1:] - new[:, :, :-1], ((0,0),(0,0),(0,1)))
            uy = jnp.pad(new[:, 1:] - new[:, :-1], ((0,0),(0,1),(0,0)))
            ng = 1 + taut*jnp.sqrt(ux*ux+uy*uy)
            return new, (px+taut*ux)/ng, (py+taut*uy)/ng, n+1, err
        def outer(c):
            u, px, py, n, err = c
            u = median(u, p.median)
            u, px, py, _, err = jax.lax.while_loop(lambda c: (c[4] > eps) & (c[3] < p.inner_iterations), inner, (u, px, py, 0, err))
            return u, px, py, n+1, err
        u, px, py, _, _ = jax.lax.while_loop(lambda c: (c[4] > eps) & (c[3] < p.outer_iterations), outer, (u, px, py, 0, jnp.float32(np.finfo(np.float32).max)))
        return (u, px, py), None
    (u, _, _), _ = jax.lax.scan(dowarp, (u, px, py), None, length=p.warps)
    return u

def pair(I0, I1, p):
    ss = sizes(*I0.shape, p)
    pyr = [jnp.stack([I0, I1])]
    for s in ss[1:]:
        pyr.append(resize(pyr[-1], s, (1/p.scale_step,)*2))
    u = jnp.zeros((2, *ss[-1]))
    for k in range(len(ss)-1, -1, -1):
        u = one_scale(pyr[k][0], pyr[k][1], u, p)
        if k: u = resize(u, ss[k-1], (ss[k][0]/ss[k-1][0], ss[k][1]/ss[k-1][1])) / p.scale_step
    return jnp.moveaxis(u, 0, -1)

@functools.partial(jax.jit, static_argnames="parameters")
def flow(first, second, parameters=Parameters()):
    p = parameters
    a, b = first, second
    return jax.lax.map(lambda ab: pair(ab[0], ab[1], p), (a.astype(jnp.float32), b.astype(jnp.float32)))
