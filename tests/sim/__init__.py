"""The whole pipeline behind the door in one process, under virtual time, seeded chance and injected faults. Begin with `world.py`."""
