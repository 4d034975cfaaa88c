"""The contract between the processes: layouts, segments, rings, parameters, events, time and errors."""
