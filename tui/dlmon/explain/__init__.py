"""The pages behind `dlmon explain`: one Markdown file for each finding, shown as plain text."""
