"""Adapters behind the domain's ports. A vendor's error becomes a domain error here, and only here."""
