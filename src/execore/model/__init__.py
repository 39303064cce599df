"""Values that everybody may import: ids, money, instruments, orders, requests, reports, events, errors."""
