"""The same local exchange in the words of Hyperliquid: one socket path, ``/info`` and ``/exchange``, on a port of its own."""
