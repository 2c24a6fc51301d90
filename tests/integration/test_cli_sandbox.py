"""`idlefee sandbox`, as a tester starts it."""

import json
import signal
import subprocess
import sys
from urllib.request import Request, urlopen

from tests.integration.command_line import run

IDLEFEE = [sys.executable, "-c", "import sys; from api.cli import main; sys.exit(main())"]


def test_it_says_what_to_set_and_ends_when_asked() -> None:
    command = [*IDLEFEE, "sandbox", "--port", "0", "--key", "sk_test_mine", "--webhook-secret", "whsec_mine", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if line == "}\n":
                break
        settings = json.loads(said)["settings"]
        assert (settings["IDLEFEE_STRIPE_KEY"], settings["IDLEFEE_STRIPE_WEBHOOK_SECRET"]) == (
            "sk_test_mine",
            "whsec_mine",
        )
        asked = Request(
            f"{settings['IDLEFEE_STRIPE_URL']}/v1/balance", headers={"Authorization": "Bearer sk_test_mine"}
        )
        with urlopen(asked) as answer:
            assert json.load(answer)["object"] == "balance"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_it_takes_no_key_of_a_real_account() -> None:
    ran = run("sandbox", "--key", "sk_live_mine")
    assert (ran.code, "sk_test_" in ran.err) == (2, True)
