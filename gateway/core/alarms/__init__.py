"""Alarms as in ISA-18.2 and IEC 62682: states, delays, acts of people, causes and words. Pure."""
