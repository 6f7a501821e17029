import { InvalidParametersError } from '@murmuration/interface'
import { limits } from '../defaults.ts'
import { topPath } from './fields.ts'
import { isName } from './wire.ts'

const encoder = new TextEncoder()

/** The text of a path in operations: segments joined by dots; dots inside are escaped. */
export function formatPath(path: readonly string[]): string {
  return path.map((segment) => segment.replace(/[\\.]/g, '\\$&')).join('.')
}

/** A path from an operation, checked. */
export function parsePath(field: string): readonly string[] {
  if (!field.includes('.') && !field.includes('\\')) {
    checkName(field)
    return topPath(field)
  }
  const path: string[] = []
  let segment = ''
  for (let i = 0; i < field.length; i++) {
    if (field[i] === '.') {
      path.push(segment)
      segment = ''
    } else {
      if (field[i] === '\\') i++
      segment += field[i] ?? ''
    }
  }
  path.push(segment)
  if (path.length > limits.pathDepthMax) {
    throw new InvalidParametersError(`field path deeper than ${limits.pathDepthMax}`)
  }
  for (const name of path) checkName(name)
  return path
}

function checkName(name: string): void {
  if (!isName(name) || !name.isWellFormed()) {
    throw new InvalidParametersError(`"${name}" cannot be a field name or map key`)
  }
  // Up to three bytes per UTF-16 unit; only long names need to be measured.
  if (name.length * 3 <= limits.nameBytesMax) return
  if (name.length > limits.nameBytesMax || encoder.encode(name).length > limits.nameBytesMax) {
    throw new InvalidParametersError(`name over ${limits.nameBytesMax} bytes`)
  }
}
