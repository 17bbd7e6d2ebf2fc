"""reStructuredText to HTML, by docutils."""

from docutils.core import publish_parts
from docutils.writers import html5_polyglot


class BodyWriter(html5_polyglot.Writer):
    """Without the page around the body: its template is a data file, and only modules are in the mirror."""

    def apply_template(self):
        return ""


def from_text(text):
    settings = {"stylesheet_path": None, "embed_stylesheet": False, "report_level": 2}
    return publish_parts(text, writer=BodyWriter(), settings_overrides=settings)["html_body"]
