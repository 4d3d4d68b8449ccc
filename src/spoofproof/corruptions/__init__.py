"""Corruptions: importing this room registers them, in the order in which lists show them."""

# isort: skip_file
from . import noise  # noqa: F401
from . import filters  # noqa: F401
from . import stretch  # noqa: F401
from . import amplitude  # noqa: F401
from . import room  # noqa: F401
from . import codecs  # noqa: F401
from . import neural_own  # noqa: F401
from . import neural  # noqa: F401
from . import packets  # noqa: F401
from . import telephone  # noqa: F401
from . import parametric  # noqa: F401
from . import neural_torch  # noqa: F401
from . import controls  # noqa: F401
