"""Sternpost: a self-hosted, RudderStack-compatible event pipeline that delivers to Pendo and other tools."""

__version__ = "0.1.0"
