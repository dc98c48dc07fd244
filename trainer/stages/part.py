"""One piece of a stage's work."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from trainer.products import Product, Products


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What a stage makes at once: one encoder, one separator, one machine's prototypes.

    Attributes:
        name: as in `phase1-audiomae`; also that of its checkpoint and in the log.
        products: names of what it makes.
        needs: names of earlier stages' products that it is made of.
        depends_on: whatever else the result depends on, for JSON: settings and the fingerprint of the sound.
        make: makes the products, called with the fingerprint.
        trains: it takes hours, which are not thrown away unasked, and all processes of a training take part. What
            does not train is made by the first of them alone.
    """

    name: str
    products: tuple[str, ...]
    needs: tuple[str, ...]
    depends_on: Mapping[str, Any]
    make: Callable[[str], Mapping[str, Product]]
    trains: bool = True

    def fingerprint(self, products: Products) -> str:
        """Of everything that the result depends on; all that is needed must be there."""
        content = {"depends_on": self.depends_on, "needs": {name: products.sha256(name) for name in self.needs}}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
