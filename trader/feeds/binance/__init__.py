"""The market data of Binance spot and USD-M futures: wire messages, book synchronisation, sockets and REST."""
