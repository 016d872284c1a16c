"""Programs that measure speed, each comparing within one run: machines drift."""
