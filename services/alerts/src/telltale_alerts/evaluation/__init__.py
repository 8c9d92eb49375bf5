"""When alerts begin and end. Pure: no I/O, and every instant comes with a message."""
