"""Mails to people: a port and its adapters."""
