"""The viewer's types are those of the API it asks."""

from scripts import generate_viewer_types


def test_the_types_of_the_viewer_are_current() -> None:
    second_line = generate_viewer_types.TYPES.read_text().splitlines()[1]
    assert second_line == f"// Of the description {generate_viewer_types.digest()}.", "run: make viewer-types"
