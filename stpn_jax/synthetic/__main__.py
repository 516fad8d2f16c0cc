"""`python -m stpn_jax.synthetic FOLDER --seed=N`."""

import sys

from stpn_jax.synthetic import videos

if __name__ == "__main__":
    sys.exit(videos.main())
