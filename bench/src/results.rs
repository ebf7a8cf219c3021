//! What was measured, round by round, and what it comes to.

use serde_json::{Value, json};

use crate::stats::median;

/// The row every other is compared with.
pub(crate) const YARDSTICK: &str = "nginx";
/// The row without anything in between.
pub(crate) const BASELINE: &str = "direct";

/// How a figure is set against others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    /// As a multiple of nginx's.
    Ratio,
    /// As what is added to going direct.
    Added,
    /// Not at all.
    Alone,
}

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) decimals: usize,
    pub(crate) compare: Compare,
}

/// One situation in which all are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) metrics: &'static [Metric],
}

#[derive(Debug)]
struct Cell {
    section: &'static str,
    metric: &'static str,
    row: &'static str,
    rounds: Vec<f64>,
}

/// All figures of a run.
#[derive(Debug, Default)]
pub(crate) struct Results {
    cells: Vec<Cell>,
}

impl Results {
    /// Adds one round's figure.
    pub(crate) fn push(
        &mut self,
        section: &Section,
        metric: &'static str,
        row: &'static str,
        value: f64,
    ) {
        let found = self
            .cells
            .iter_mut()
            .find(|cell| cell.section == section.id && cell.metric == metric && cell.row == row);
        match found {
            Some(cell) => cell.rounds.push(value),
            None => self.cells.push(Cell {
                section: section.id,
                metric,
                row,
                rounds: vec![value],
            }),
        }
    }

    /// The median over the rounds so far.
    pub(crate) fn median(&self, section: &Section, metric: &str, row: &str) -> Option<f64> {
        self.cell(section, metric, row)
            .map(|cell| median(&cell.rounds))
    }

    fn cell(&self, section: &Section, metric: &str, row: &str) -> Option<&Cell> {
        self.cells
            .iter()
            .find(|cell| cell.section == section.id && cell.metric == metric && cell.row == row)
    }

    /// `row`'s median over the yardstick's.
    pub(crate) fn ratio(&self, section: &Section, metric: &str, row: &str) -> Option<f64> {
        let own = self.median(section, metric, row)?;
        let yardstick = self.median(section, metric, YARDSTICK)?;
        (yardstick > 0.0).then(|| own / yardstick)
    }

    /// What `row`'s median has over the baseline's.
    pub(crate) fn added(&self, section: &Section, metric: &str, row: &str) -> Option<f64> {
        Some(self.median(section, metric, row)? - self.median(section, metric, BASELINE)?)
    }

    /// The rows of `section`, in the order they were first measured.
    fn rows(&self, section: &Section) -> Vec<&'static str> {
        let mut rows = Vec::new();
        for cell in self.cells.iter().filter(|cell| cell.section == section.id) {
            if !rows.contains(&cell.row) {
                rows.push(cell.row);
            }
        }
        rows
    }

    /// Whether nothing was measured for `section`.
    pub(crate) fn is_empty(&self, section: &Section) -> bool {
        !self.cells.iter().any(|cell| cell.section == section.id)
    }

    /// `section` as a table for a terminal.
    pub(crate) fn table(&self, section: &Section) -> String {
        let mut lines = vec![
            std::iter::once(String::new())
                .chain(section.metrics.iter().map(|metric| match metric.unit {
                    "" => metric.name.to_owned(),
                    unit => format!("{}, {unit}", metric.name),
                }))
                .collect::<Vec<_>>(),
        ];
        for row in self.rows(section) {
            let figures = section
                .metrics
                .iter()
                .map(|metric| self.figure(section, metric, row));
            lines.push(std::iter::once(row.to_owned()).chain(figures).collect());
        }
        let widths: Vec<usize> = (0..=section.metrics.len())
            .map(|column| {
                let cells = lines.iter().filter_map(|line| line.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let mut table = format!("{}\n", section.title);
        for line in &lines {
            for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
                let cell = if column == 0 {
                    format!("  {cell:<width$}")
                } else {
                    format!("  {cell:>width$}")
                };
                table.push_str(&cell);
            }
            table.truncate(table.trim_end().len());
            table.push('\n');
        }
        table
    }

    fn figure(&self, section: &Section, metric: &Metric, row: &str) -> String {
        let Some(value) = self.median(section, metric.name, row) else {
            return "–".to_owned();
        };
        let decimals = metric.decimals;
        let compared = match metric.compare {
            Compare::Ratio if row != YARDSTICK => self
                .ratio(section, metric.name, row)
                .map(|ratio| format!(" ({ratio:.2}×)")),
            Compare::Added if row != BASELINE => self
                .added(section, metric.name, row)
                .map(|added| format!(" ({added:+.decimals$})")),
            _ => None,
        };
        format!("{value:.decimals$}{}", compared.unwrap_or_default())
    }

    /// `sections` as data.
    pub(crate) fn json(&self, sections: &[&Section]) -> Value {
        let data = sections.iter().map(|section| {
            let rows = self.rows(section).into_iter().map(|row| {
                let figures = section.metrics.iter().filter_map(|metric| {
                    let cell = self.cell(section, metric.name, row)?;
                    let figure = json!({
                        "unit": metric.unit,
                        "median": median(&cell.rounds),
                        "rounds": cell.rounds,
                        "ratio_to_nginx": self.ratio(section, metric.name, row),
                        "over_direct": self.added(section, metric.name, row),
                    });
                    Some((metric.name.to_owned(), figure))
                });
                (row.to_owned(), Value::Object(figures.collect()))
            });
            let section_data = json!({
                "title": section.title,
                "rows": Value::Object(rows.collect()),
            });
            (section.id.to_owned(), section_data)
        });
        Value::Object(data.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTION: Section = Section {
        id: "s",
        title: "a section",
        metrics: &[
            Metric {
                name: "p50",
                unit: "µs",
                decimals: 1,
                compare: Compare::Added,
            },
            Metric {
                name: "CPU",
                unit: "µs",
                decimals: 1,
                compare: Compare::Ratio,
            },
        ],
    };

    #[test]
    fn medians_ratios_and_differences() {
        let mut results = Results::default();
        for (row, values) in [
            ("direct", [1.0, 9.0, 2.0]),
            ("nginx", [4.0, 4.0, 4.0]),
            ("own", [6.0, 5.0, 7.0]),
        ] {
            for value in values {
                results.push(&SECTION, "p50", row, value);
            }
        }
        results.push(&SECTION, "CPU", "nginx", 10.0);
        results.push(&SECTION, "CPU", "own", 15.0);
        assert_eq!(results.median(&SECTION, "p50", "direct"), Some(2.0));
        assert_eq!(results.ratio(&SECTION, "CPU", "own"), Some(1.5));
        assert_eq!(results.added(&SECTION, "p50", "own"), Some(4.0));
        let table = results.table(&SECTION);
        assert_eq!(
            table,
            "a section\n             \
             p50, µs       CPU, µs\n  \
             direct         2.0             –\n  \
             nginx   4.0 (+2.0)          10.0\n  \
             own     6.0 (+4.0)  15.0 (1.50×)\n"
        );
        let json = results.json(&[&SECTION]);
        assert_eq!(json["s"]["rows"]["own"]["CPU"]["ratio_to_nginx"], 1.5);
    }
}
