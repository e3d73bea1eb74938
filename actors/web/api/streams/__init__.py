"""Routes about streams: found and ended, captured, pushed elsewhere, shown as pictures, published by HTTP."""
