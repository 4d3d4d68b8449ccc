"""The HTTP service and its page: the same library calls as the command line, behind walls.

``settings`` what may be chosen · ``app`` the service put together · ``desk`` who does which job when · ``jobs`` what was
accepted, on disk · ``worker``, ``sandbox``, ``tasks`` the closed-off process that touches audio · ``limits``, ``guard``,
``keys`` what is refused · ``page/`` what a browser gets. Needs the extra ``web``.
"""
