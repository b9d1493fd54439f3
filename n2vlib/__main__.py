from n2vlib.builder.child import leave
from n2vlib.cli import main

if __name__ == "__main__":
    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, int | None):
            leave(end.code or 0)
        raise
