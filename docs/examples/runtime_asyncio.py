"""The same on the caller's own event loop, which is the fastest way where the callers are coroutines."""

import asyncio

import execore

equity = execore.Instrument(symbol="ACME", currency="USD", kind=execore.InstrumentKind.EQUITY)


async def trade(book: execore.RuntimeBook, number: int) -> execore.OrderState:
    order = execore.OrderRequest(
        client_order_id=f"buy-{number}", symbol="ACME", side=execore.Side.BUY, quantity=10, price="12.50"
    )
    answer = await book.submit(order)
    return answer.order.state


async def main() -> None:
    settings = execore.BookSettings(instruments=(equity,))
    async with execore.open_runtime("memory:", [settings], own_thread=False) as runtime:
        book = runtime.book()
        states = await asyncio.gather(*(trade(book, number) for number in range(100)))  # one commit
        print(set(states), book.head.sequence)


asyncio.run(main())
