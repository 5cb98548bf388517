"""The door for clients: `app.Gateway` answers RudderStack's HTTP dialect and hands events to `accept`.

`request` reads a request's head, `sources` finds whose it is and whether it may send more, `bodies` reads what follows within bounds,
`answers` is what goes back, `refused_log` keeps what was turned away for people to look at.
"""
