"""SocketFile: the listening socket in the file system: who may reach it, who else holds it, and its end."""

from __future__ import annotations

import errno
import fcntl
import grp
import os
import socket
import stat
from pathlib import Path

from gwcore.errors import ConfigError

#: Bytes of a path in `sockaddr_un`, less the closing zero (unix(7)).
PATH_BYTES_MAX = 107
SOCKET_MODE = 0o660
FOLDER_MODE = 0o750
#: Connections the kernel keeps until they are accepted.
_BACKLOG = 128
_PLACE = "transport.unix.path"


class SocketFile:
    """Binds on `open()`, gives the path back on `close()`. Never takes a path that somebody listens on."""

    def __init__(self, path: Path, group: str = "") -> None:
        self.path = path
        self._group = group
        self._lock = -1
        self._identity: tuple[int, int] | None = None  # device and inode of what we bound

    def open(self) -> socket.socket:
        """A listening socket, reachable for owner and group alone from its first moment. Raises ConfigError."""
        self._check_length()
        group_id = self._group_id()
        self._make_folder(group_id)
        self._take_lock()
        try:
            self._remove_stale()
            return self._bind(group_id)
        except BaseException:
            self._drop_lock()
            raise

    def close(self) -> None:
        """Remove the socket, if it is still ours, and let others have the path."""
        if self._identity is not None:
            try:
                found = os.lstat(self.path)
                if (found.st_dev, found.st_ino) == self._identity:
                    os.unlink(self.path)
            except FileNotFoundError:
                pass
            self._identity = None
        self._drop_lock()

    def _check_length(self) -> None:
        length = len(os.fsencode(self.path))
        if length > PATH_BYTES_MAX:
            raise ConfigError(
                f"the socket's path has {length} bytes, the system takes {PATH_BYTES_MAX}: {self.path}",
                place=_PLACE,
                hint="set a shorter path, as /tmp/gw.sock",
            )

    def _group_id(self) -> int:
        if not self._group:
            return -1
        try:
            return grp.getgrnam(self._group).gr_gid
        except KeyError:
            raise ConfigError(
                f"there is no group {self._group!r} on this machine",
                place="transport.unix.group",
                hint="name one of `getent group`",
            ) from None

    def _make_folder(self, group_id: int) -> None:
        folder = self.path.parent
        try:
            # Folders above it are made as a shell would; the one that guards the socket is ours to close.
            folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                folder.mkdir(mode=FOLDER_MODE)
            except FileExistsError:
                return  # somebody's choice, like /tmp: the socket's own mode guards
            os.chmod(folder, FOLDER_MODE)
            self._give(folder, group_id)
        except OSError as error:
            raise self._refused("make its folder", error) from error

    def _take_lock(self) -> None:
        # Held as long as we serve: of two gateways that start at once only one may judge and replace what it finds.
        lock_path = self.path.with_name(self.path.name + ".lock")
        try:
            self._lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._drop_lock()
            raise self._taken() from None
        except OSError as error:
            self._drop_lock()
            raise self._refused("lock it", error) from error

    def _drop_lock(self) -> None:
        # The lock file stays: removing it would let two processes lock two files of one name.
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _remove_stale(self) -> None:
        try:
            mode = os.lstat(self.path).st_mode
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._refused("look at it", error) from error
        if not stat.S_ISSOCK(mode):
            raise ConfigError(
                f"{self.path} exists and is no socket", place=_PLACE, hint="move it away or set another path"
            )
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            try:
                probe.connect(os.fspath(self.path))
            except ConnectionRefusedError:
                os.unlink(self.path)  # nobody listens: left behind by a process that was killed
                return
            except FileNotFoundError:
                return
            except OSError as error:
                # Full backlog, no permission: somebody is there, or it can't be known.
                raise self._taken(str(error)) from error
        raise self._taken()

    def _bind(self, group_id: int) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            # On Linux the file takes the mode of the socket at bind, less the umask: at no moment can others connect,
            # and the umask, which belongs to the whole process, is left alone.
            os.fchmod(listener.fileno(), SOCKET_MODE)
            listener.bind(os.fspath(self.path))
            found = os.lstat(self.path)
            self._identity = (found.st_dev, found.st_ino)
            self._give(self.path, group_id)
            os.chmod(self.path, SOCKET_MODE)
            listener.listen(_BACKLOG)
            listener.setblocking(False)
        except OSError as error:
            listener.close()
            self.close()
            if error.errno == errno.EADDRINUSE:
                raise self._taken() from error
            raise self._refused("bind it", error) from error
        return listener

    def _give(self, path: Path, group_id: int) -> None:
        if group_id >= 0:
            os.chown(path, -1, group_id)

    def _taken(self, detail: str = "") -> ConfigError:
        return ConfigError(
            f"somebody listens on {self.path} already" + (f" ({detail})" if detail else ""),
            place=_PLACE,
            hint="stop the other gateway, or give this one another name or path",
        )

    def _refused(self, doing: str, error: OSError) -> ConfigError:
        return ConfigError(
            f"cannot {doing}: {self.path}: {error.strerror or error}",
            place=_PLACE,
            hint="set a path this user may write to",
        )
