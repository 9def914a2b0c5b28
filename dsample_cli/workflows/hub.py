"""Upload a folder to the Hugging Face Hub."""

from pathlib import Path

from dsample_cli.errors import ConfigError, RunError, first_line

_LOG_IN = "Log in with: hf auth login, or set HF_TOKEN"


def check_hub_access(repo: str) -> None:
    """Look, without a connection, whether a push to a repository can work at all.

    Raises:
        ConfigError: If the repository cannot be called so.
        RunError: If nobody is logged in.
    """
    from huggingface_hub import get_token
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise ConfigError(
            f"--push takes NAME or OWNER/NAME of a model on the hub, not '{repo}': {_said(error)}",
            "For example --push my-name/my-classifier.",
        ) from None
    if not get_token():
        raise RunError("--push needs a token of the model hub, and there is none.", _LOG_IN)


def push_folder(folder: Path, repo: str, is_public: bool, message: str) -> str:
    """Upload a folder as a model; a repository that there is none of is made, private by default.

    Args:
        folder: With the files.
        repo: NAME or OWNER/NAME.
        is_public: Whether anybody may read it.
        message: Of the commit.

    Returns:
        Address of the model's page.

    Raises:
        RunError: If the hub cannot be reached or refuses, or if the repository is public and that
            was not asked for.
    """
    from huggingface_hub import HfApi

    api = HfApi(library_name="dsample")
    try:
        # With the owner, where only the name was given.
        full = api.create_repo(repo, private=not is_public, exist_ok=True).repo_id
        is_open = not api.model_info(full).private
    except Exception as error:  # its HTTP client's errors have no base class of its own
        raise _explained(repo, error) from error
    if is_open and not is_public:
        raise RunError(
            f"The repository {full} on the hub is public, so nothing was uploaded.",
            "Upload with --public, or choose another --push.",
        )
    try:
        api.upload_folder(repo_id=full, folder_path=folder, commit_message=message)
    except Exception as error:
        raise _explained(full, error) from error
    return f"{api.endpoint}/{full}"


def _explained(repo: str, error: Exception) -> RunError:
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return RunError(
            "The model hub is switched off by HF_HUB_OFFLINE.", "Unset it: unset HF_HUB_OFFLINE"
        )
    if isinstance(error, LocalTokenNotFoundError):
        return RunError("--push needs a token of the model hub, and there is none.", _LOG_IN)
    if isinstance(error, HfHubHTTPError):
        status = getattr(getattr(error, "response", None), "status_code", None)
        hint = (
            f"The token needs the right to write to {repo}. {_LOG_IN}"
            if status in (401, 403, 404)
            else "Push again later."
        )
        return RunError(f"The model hub refused {repo}: {_said(error)}.", hint)
    return RunError(
        f"The model hub cannot be reached ({type(error).__name__}: {_said(error)}).",
        "Check the network and the proxy, then push again; --to DIR alone needs no hub.",
    )


def _said(error: Exception) -> str:
    """For the middle of a sentence."""
    return first_line(error).rstrip(".")
