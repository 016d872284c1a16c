"""How Sphinx builds the site; `build.py` beside this file gathers the pages."""

import inspect

import keras

import drgn_tf

project = "drgn-tf"
author = "the drgn-tf authors"
version = release = drgn_tf.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
# Nothing is loaded from elsewhere.
html_theme = "furo"
html_title = f"drgn-tf {release}"
html_show_sourcelink = False
html_copy_source = False
myst_heading_anchors = 4
# Model cards begin with metadata for those who list models.
suppress_warnings = ["myst.topmatter"]
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_custom_sections = [("Call", "params_style")]
highlight_language = "none"
# In docstrings single backticks mark code.
default_role = "code"

html_static_path = ["_static"]
html_css_files = ["site.css"]


def literal_blocks(_app, what, _name, _object, _options, lines):
    """Shows the indented lines of modules, and examples, as they are."""
    marked, inside = [], False
    for line in lines:
        if what == "module" and line.startswith("    ") and not inside:
            marked += ["::", ""]
            inside = True
        elif line.strip() and not line.startswith(" "):
            inside = False
        marked += ["Example::", ""] if line == "Example:" else [line]
    lines[:] = marked


def signature_of_init(_app, what, _name, described, _options, signature, annotation):
    """Keras gives its classes a constructor of any arguments; what they take says __init__."""
    if what == "class" and issubclass(described, keras.Layer):
        own = inspect.signature(described.__init__)
        own = own.replace(parameters=list(own.parameters.values())[1:])
        signature = str(own).replace("'", "")
    return signature, annotation


def setup(app):
    """Is called by Sphinx."""
    # Before napoleon, which knows no literal blocks.
    app.connect("autodoc-process-docstring", literal_blocks, priority=100)
    app.connect("autodoc-process-signature", signature_of_init)
