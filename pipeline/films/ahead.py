"""Runs an iterator in a thread of its own, some items ahead of whoever takes them."""

from collections.abc import Generator
from contextlib import closing
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any, TypeVar

Item = TypeVar("Item")
WAIT_S = 0.1


def ahead(items: Generator[Item], depth: int = 3) -> Generator[Item]:
    """Yield the items; exceptions in the thread are raised here, and the thread ends with this iterator."""
    queue, stop = Queue[tuple[str, Any]](depth), Event()

    def put(kind: str, value: Any) -> None:
        while not stop.is_set():
            try:
                return queue.put((kind, value), timeout=WAIT_S)
            except Full:
                continue

    def work() -> None:
        try:
            with closing(items):
                for item in items:
                    put("item", item)
                    if stop.is_set():
                        return
            put("end", None)
        except BaseException as error:  # raised again where items are taken
            put("error", error)

    thread = Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            try:
                kind, value = queue.get(timeout=WAIT_S)  # with a limit, so that Ctrl-C gets through
            except Empty:
                continue
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value
    finally:
        stop.set()
        thread.join()
