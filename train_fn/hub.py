"""Whether the Hugging Face hub answers, asked once: its libraries try again for 23 seconds before they give it up."""

SECONDS = 3.0  # for the first bytes of an answer


def answers() -> bool:
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        get_session().head(constants.ENDPOINT, timeout=SECONDS)
    except Exception:  # of whichever HTTP library it uses by now
        return False
    return True
