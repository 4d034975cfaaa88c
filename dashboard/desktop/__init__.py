"""The desktop window: draws a DashboardView with Dear PyGui and hands clicks to the wish worker."""
