"""Sphinx extension: takes Thebe out of the site. Jupyter Book 1 always loads it, and its script lies on another server."""


def setup(app):
    for listeners in app.events.listeners.values():
        for listener in list(listeners):
            handler = listener.handler
            if (
                handler.__module__.startswith("sphinx_thebe")
                and handler.__name__ != "st_static_path"
            ):
                app.disconnect(listener.id)
    app.registry.css_files[:] = [
        css for css in app.registry.css_files if "thebe" not in css[0]
    ]
    return {"parallel_read_safe": True, "parallel_write_safe": True}
