"""Tests of what turns figures into a table, a picture and a section of the README."""

import os
import sys
import unittest
import xml.etree.ElementTree as xml

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import report
from measure import Ratio, digits, quartiles


def row(what, against, **figures):
    return {"what": what, "against": against, "runs": 30, **figures}


def ratio(value, low=None, high=None):
    return {"ratio": value, "low": low or value, "high": high or value, "ours": value, "theirs": 1.0}


DOCUMENT = {
    "machine": {"cpu": "Some CPU", "cores": 2, "kernel": "6.1.0", "system": "Linux"}, "quick": False, "seconds": 1,
    "rows": [
        row("one start", "sh + curl", time=ratio(0.1, 0.09, 0.12), cpu=ratio(0.08), memory=None),
        row("download 1 GiB", "curl", time=ratio(0.9), cpu=ratio(1.7, 1.6, 1.8)),
        row("size of the program", "curl with its libraries", size=ratio(1.5)),
        {"what": "one start", "against": "Python requests", "reason": "it is not installed"},
    ],
}


class Figures(unittest.TestCase):
    def test_a_ratio_is_the_median_of_the_pairs_with_its_quartiles(self):
        found = Ratio([1, 2, 3, 4, 5], [8, 8, 8, 8, 8])
        self.assertEqual((found.runs, found.median, found.low, found.high), (5, 0.375, 0.25, 0.5))
        self.assertEqual(quartiles([7]), (7, 7))

    def test_small_ratios_keep_two_digits_that_mean_something(self):
        self.assertEqual([digits(n) for n in (0.0421, 0.1, 1.234, 12.3)], ["0.042", "0.10", "1.23", "12"])


class Report(unittest.TestCase):
    def test_the_table_has_a_line_for_each_row_and_says_why_one_is_empty(self):
        table = report.markdown(DOCUMENT)
        self.assertIn("| one start | sh + curl | 0.10× (0.090–0.12) | 0.080×", table)
        self.assertIn("not measured: it is not installed", table)
        self.assertIn("Some CPU, 2 cores, Linux 6.1.0", table)

    def test_what_is_worse_has_a_sentence_and_what_has_none_is_named(self):
        found = report.sentences(DOCUMENT["rows"])
        self.assertEqual(len(found), 2)
        self.assertIn("always computes SHA-256", found[0])
        self.assertEqual(found[1], "Unexplained: size of the program against curl with its libraries, size 1.50×.")

    def test_each_goal_that_was_measured_is_met_or_missed(self):
        lines = report.goals(DOCUMENT["rows"])
        self.assertEqual([line.split(":")[0] for line in lines], ["goal met", "goal met", "goal met"])
        self.assertIn("time 0.90×, at most 1.00×", lines[2])

    def test_the_section_replaces_what_was_between_the_markers(self):
        text = f"# x\n\n## Small and fast\n\n{report.START}\nold\n{report.END}\n\n## Read on\n"
        section = report.readme_section(DOCUMENT, text)
        once = report.into_readme(text, section)
        self.assertNotIn("old", once)
        self.assertEqual(report.into_readme(once, section), once)
        self.assertTrue(once.endswith(f"{report.END}\n\n## Read on\n"))
        self.assertIn(report.END, report.into_readme("# x\n\n## Read on\n", section))

    def test_the_section_leaves_out_the_last_rows_where_the_readme_would_be_too_long(self):
        text = "\n" * 111 + f"{report.START}\n{report.END}\n"
        lines = report.into_readme(text, report.readme_section(DOCUMENT, text)).splitlines()
        self.assertEqual((len(lines), sum("| sh + curl |" in line for line in lines)), (report.README_LINES, 1))

    def test_the_picture_is_well_formed_and_its_bars_are_multiples_of_ours(self):
        root = xml.fromstring(report.svg(DOCUMENT))
        texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
        self.assertIn("10×", texts)
        self.assertEqual(texts.count("cibridge"), 2)


if __name__ == "__main__":
    unittest.main()
