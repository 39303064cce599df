"""A book for many threads: one writer, one commit for what is queued, a handle for each request."""

import threading

import execore

equity = execore.Instrument(symbol="ACME", currency="USD", kind=execore.InstrumentKind.EQUITY)


def buy(number: int) -> execore.OrderRequest:
    return execore.OrderRequest(
        client_order_id=f"buy-{number}",
        symbol="ACME",
        side=execore.Side.BUY,
        quantity=10,
        price="12.50",
    )


settings = execore.BookSettings(instruments=(equity,))
with execore.open_runtime("memory:", [settings]) as runtime:
    book = runtime.book()

    answer = book.submit(buy(1)).wait(timeout_seconds=5)  # in this thread, until it is durable
    print(answer.order.state)

    told = threading.Event()
    book.submit(buy(2)).call_back(lambda handle: told.set())  # or somewhere apart from the writer
    told.wait(timeout=5)

    submitted = book.until("buy-3", execore.OrderState.SUBMITTED)  # an order that comes to something
    threading.Thread(target=lambda: book.submit(buy(3))).start()
    print(submitted.wait(timeout_seconds=5).client_order_id)

    with book.view() as state:  # the writer waits meanwhile: what is seen is committed, and of one moment
        print(len(state.orders))
