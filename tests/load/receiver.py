"""The receiver of the load's webhooks: well, or away for a while."""

from tests.chaos.receiver import Mood, Receiver


class OnOff(Receiver):
    """While `away`, it hangs up on every delivery."""

    def __init__(self, secret: str) -> None:
        super().__init__(secret, seed=0)
        self.away = False

    def _mood(self, webhook_id: str, number: int) -> Mood:
        del webhook_id, number
        return "hangs up" if self.away else "takes it"

    def announced(self) -> dict[str, set[str]]:
        """Generation -> states of the webhooks about it that were taken, if they were signed as they should be."""
        found: dict[str, set[str]] = {}
        for arrival in self.arrivals:
            if arrival.taken and arrival.valid:
                found.setdefault(str(arrival.data["id"]), set()).add(str(arrival.data["state"]))
        return found
