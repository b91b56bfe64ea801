import pytest
import structlog

from gateway.cli import main


@pytest.mark.usefixtures("logging_as_before")
def test_events_go_to_stderr_until_a_command_sets_up_logging(capsys):
    with pytest.raises(SystemExit):
        main(["schema", "--site"])
    structlog.get_logger().warning("source.lost")
    captured = capsys.readouterr()
    assert "source.lost" in captured.err
    assert "source.lost" not in captured.out
