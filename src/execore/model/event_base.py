"""What every event is; the kinds are in ``model.events``, which is where to import these from."""

import msgspec


class Event(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="type"):
    """The root of all events; the tag in ``type`` names the kind."""


class OrderEvent(Event, frozen=True, gc=False, omit_defaults=True):
    """An event of one order."""

    client_order_id: str
