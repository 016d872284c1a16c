"""drgn-fit-brightness, from flags to a network that other programs take."""

from __future__ import annotations

from drgn_tf.models import load_model


def test_a_network_is_written_and_nothing_is_replaced(
    answers, pair_folder, tiny_file, tmp_path, capfd
):
    output = tmp_path / "fitted.keras"
    command = [
        f"--model={tiny_file}", f"--data_dir={pair_folder}", "--val_fraction=0.25", "--samples=16",
        "--steps=5", "--well_lit=0",
    ]  # fmt: skip
    link = tmp_path / "link.keras"
    link.symlink_to("nothing")
    said = answers(
        "drgn_tf.cli.fit_brightness",
        [*command, f"--output={output}"],
        [*command, f"--output={output}"],
        [*command, f"--output={tmp_path / 'fitted.tflite'}"],
        [*command, "--well_lit=1", f"--output={tmp_path / 'other.keras'}"],
        [*command, f"--output={link}"],
        [*command, f"--output={tmp_path / 'absent' / 'a.keras'}"],
    )
    assert said[0] == 0
    assert "exists; choose another --output, or remove it." in said[1]
    assert "must end with .keras." in said[2]
    assert "well_lit must lie in [0, 1), not 1.0" in said[3]
    assert "link.keras: exists" in said[4] and link.is_symlink()
    assert "absent: cannot be written to; choose another --output." in said[5]
    link.unlink()
    fitted, before = load_model(output), load_model(tiny_file)
    assert fitted.options == before.options
    assert sorted(path.name for path in tmp_path.glob("*.*")) == ["fitted.keras"]
