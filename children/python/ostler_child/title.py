"""What ps, top and their like show of this process. A name is a comfort: where it cannot be set, it is not."""


def show(text):
    """Shows a text in place of the command line, as far as that has room, and as the name of the process."""
    name = text.encode("utf-8", "replace").replace(b"\0", b"?")
    try:
        with open("/proc/self/comm", "wb", buffering=0) as comm:
            comm.write(name)  # the kernel cuts it to 15 bytes
        with open("/proc/self/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()  # from field 3 on
        start, end = int(fields[45]), int(fields[46])  # arg_start, arg_end
        size = end - start
        if size > 1:
            with open("/proc/self/mem", "r+b", buffering=0) as memory:
                memory.seek(start)
                memory.write(name[:size - 1].ljust(size, b"\0"))
    except (OSError, ValueError, IndexError):
        pass
