import type { Cell, Table } from './bench.ts'

/** A table as lines of text, numbers to the right. */
export function formatTable({ title, columns, rows }: Table): string {
  const text = [columns, ...rows.map((row) => row.map(formatCell))]
  const widths = columns.map((_, index) =>
    Math.max(...text.map((row) => (row[index] ?? '').length))
  )
  const lines = text.map((row) =>
    row
      .map((cell, index) => {
        const width = widths[index] ?? 0
        return index === 0 ? cell.padEnd(width) : cell.padStart(width)
      })
      .join('  ')
      .trimEnd()
  )
  return [title, '', ...lines].join('\n')
}

function formatCell(cell: Cell): string {
  if (typeof cell === 'string') return cell
  if (cell >= 1_000) return Math.round(cell).toLocaleString('en')
  return cell >= 100 ? cell.toFixed(0) : cell.toFixed(cell >= 10 ? 1 : 2)
}
