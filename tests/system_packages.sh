#!/bin/sh
# The GUI tests need an X server without a screen. Install it where we may; otherwise the tests skip and say what is missing.
command -v Xvfb >/dev/null && command -v xdotool >/dev/null && exit 0
if [ "$(id -u)" = 0 ]; then may=""; elif sudo -n true 2>/dev/null; then may="sudo -n"; else
  echo "GUI tests will be skipped; to run them: apt-get install xvfb xdotool"; exit 0
fi
command -v apt-get >/dev/null || { echo "GUI tests will be skipped: install Xvfb and xdotool with your package manager"; exit 0; }
echo "installing xvfb and xdotool for the GUI tests …"
{ $may apt-get update -qq && DEBIAN_FRONTEND=noninteractive $may apt-get install -y -qq --no-install-recommends xvfb xdotool; } >/dev/null \
  || echo "apt-get failed: GUI tests will be skipped (in CI they fail)"
exit 0
