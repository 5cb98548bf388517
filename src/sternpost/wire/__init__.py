"""RudderStack's HTTP dialect and nothing else: bytes in, events out. Pure: no clock, no network, no chance of its own.

`decode` reads bodies, `postponed` checks them now and decodes them later, `message` writes what the door adds into a decoded event,
`facts` finds what an event says about people, `ids`, `times` and `auth` are its vocabulary, `unpack`, `pixel` and `cors` what surrounds a
body. The contract is RudderStack's data plane at `rudderlabs/rudder-server@f2655fbb`; behaviour was studied, no code was taken.
"""
