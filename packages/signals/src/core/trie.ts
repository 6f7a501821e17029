interface Node<T> {
  readonly children: Map<string, Node<T>>
  readonly values: Set<T>
  /** The node of a `**`, which also takes any further segment and stays where it is. */
  readonly any: boolean
}

/**
 * Values by pattern. A look-up follows all patterns at once, as a set of live nodes, so its cost is
 * bounded by segments times live nodes, however many `**` stand in the patterns.
 */
export class PatternTrie<T> {
  readonly #root: Node<T> = { children: new Map(), values: new Set(), any: false }

  add(pattern: readonly string[], value: T): void {
    let node = this.#root
    for (const segment of pattern) {
      let child = node.children.get(segment)
      if (child === undefined) {
        child = { children: new Map(), values: new Set(), any: segment === '**' }
        node.children.set(segment, child)
      }
      node = child
    }
    node.values.add(value)
  }

  remove(pattern: readonly string[], value: T): void {
    remove(this.#root, pattern, 0, value)
  }

  /** All values whose pattern matches these segments, each once, in no particular order. */
  match(segments: readonly string[]): Set<T> {
    let live = new Set<Node<T>>()
    enter(live, this.#root)
    for (const segment of segments) {
      const next = new Set<Node<T>>()
      for (const node of live) {
        enter(next, node.children.get(segment))
        enter(next, node.children.get('*'))
        if (node.any) {
          enter(next, node)
        }
      }
      live = next
    }
    const found = new Set<T>()
    for (const node of live) {
      for (const value of node.values) {
        found.add(value)
      }
    }
    return found
  }
}

/** A node that is reached also reaches its `**`, which may stand for no segment at all. */
function enter<T>(live: Set<Node<T>>, node: Node<T> | undefined): void {
  let reached = node
  while (reached !== undefined && !live.has(reached)) {
    live.add(reached)
    reached = reached.children.get('**')
  }
}

/** Returns whether the node became empty, so that its parent can let go of it. */
function remove<T>(node: Node<T>, pattern: readonly string[], depth: number, value: T): boolean {
  const segment = pattern[depth]
  if (segment === undefined) {
    node.values.delete(value)
  } else {
    const child = node.children.get(segment)
    if (child !== undefined && remove(child, pattern, depth + 1, value)) {
      node.children.delete(segment)
    }
  }
  return node.values.size === 0 && node.children.size === 0
}
