/**
 * A deterministic simulator for protocols and agents: virtual time, seeded randomness, a network
 * and disks that fail on demand. One seed is one run.
 *
 * @packageDocumentation
 */
import type { Clock, Random, Rpc, Store } from '@murmuration/interface'
import type { History } from './checkers/history.ts'
import { RecordedHistory } from './checkers/history.ts'
import type { NetworkConditions } from './network.ts'
import type { ProbeResult, SimulatedLinks } from './simulated-links.ts'
import type { UnsyncedFate } from './simulated-disk.ts'
import { DeterministicSimulation } from './simulation.ts'

export { checkAppendLists } from './checkers/append-lists.ts'
export { checkConvergence } from './checkers/convergence.ts'
export type { ReplicaState, SetHistory } from './checkers/convergence.ts'
export { checkFencing } from './checkers/fencing.ts'
export type { ClaimEvent, EffectEvent } from './checkers/fencing.ts'
export type { History, Operation, Outcome, PendingOperation } from './checkers/history.ts'
export { assertLinearizable, checkLinearizable } from './checkers/linearizability.ts'
export type { LinearizabilityOptions, LinearizabilityResult } from './checkers/linearizability.ts'
export { listModel, registerModel } from './checkers/models.ts'
export type {
  ListInput,
  ListOutput,
  Model,
  RegisterInput,
  RegisterOutput,
  RegisterValue
} from './checkers/models.ts'
export { toKeyValueLog, toRegisterLog } from './checkers/porcupine.ts'
export { checkSessions } from './checkers/sessions.ts'
export type { SessionOperation, Versions } from './checkers/sessions.ts'
export { assertHolds, ViolationError } from './checkers/violation.ts'
export type { Violation } from './checkers/violation.ts'
export { dialFrom, LoopbackLinks } from './loopback-links.ts'
export type { LinkConditions, LoopbackPlace } from './loopback-links.ts'
export type { NetworkConditions } from './network.ts'
export { createRandom, integerBetween, pick } from './random.ts'
export { registryCases } from './registry-compliance.ts'
export type { RegistryCase, RegistryPeer, RegistryUnderTest } from './registry-compliance.ts'
export { findFailingSeed, runSeeds, SeedFailure } from './seeds.ts'
export type { SeedRuns } from './seeds.ts'
export type { UnsyncedFate } from './simulated-disk.ts'
export { testClock } from './simulation.ts'
export type { Mutant, Workload } from './workload.ts'
export type { ProbeResult, SimulatedLinks }

/** Options of {@link createSimulation}. */
export interface SimulationInit {
  /** Everything random follows from it. */
  readonly seed: number
  /** Keeps a line for each message and fault in `simulation.trace`. @default false */
  readonly trace?: boolean
  /** How the network treats messages at first. */
  readonly network?: Partial<NetworkConditions>
  /** Shortest and longest time of a synced write, in milliseconds. @default [0.05, 0.3] */
  readonly diskMs?: readonly [number, number]
}

/** What one life of a node runs on. All of it dies with a crash; the next life gets new ones. */
export interface SimulatedNode {
  /** Its name, which is also its PeerId as text. */
  readonly name: string
  /** 1 for the first life, then rising with each restart. */
  readonly life: number
  readonly clock: Clock
  readonly random: Random
  readonly rpc: Rpc
  /** Its connections: the part of `Discovery` that protocols use, and `probe`. */
  readonly links: SimulatedLinks
  readonly store: Store
}

/** How a node ends. */
export interface CrashOptions {
  /**
   * True: the whole machine is gone, so connections stay open and silent, and dialling it finds
   * silence. False: the process died, its sockets close and dialling it is refused. @default false
   */
  readonly machine?: boolean
  /** What becomes of writes that were not synced. @default 'some' */
  readonly unsynced?: UnsyncedFate
}

/** A run: nodes, time and faults. Nothing happens except inside `run`, `until` and `wait`. */
export interface Simulation {
  readonly seed: number
  /** Randomness for the test itself: schedules of faults, choices of nodes. */
  readonly random: Random
  /** Virtual milliseconds since the start. */
  readonly now: number
  /** What happened, where `trace` was asked for. */
  readonly trace: readonly string[]
  /** Adds a line to the trace. */
  log(line: string): void
  /** The present life of a node; starts one where there is none. */
  node(name: string): SimulatedNode
  isRunning(name: string): boolean
  /** Ends a node at once. Its disk stays; `node(name)` starts it again. */
  crash(name: string, options?: CrashOptions): void
  /** Empties the disk of a node that is down. */
  wipe(name: string): void
  /** While true, the disk of the node refuses writes with `StorageError`. */
  failWrites(name: string, failing: boolean): void
  /** Moves the wall clock of a node, never its monotonic one. */
  skew(name: string, skewMs: number): void
  /**
   * Lets both clocks of a node run fast (above 0) or slow by this part, such as 0.05, from now on.
   * Timers that are set already keep their time.
   */
  drift(name: string, parts: number): void
  /** Size of the disk of a node in bytes: writes beyond are refused with `StorageError`. */
  limitDisk(name: string, bytesMax: number): void
  /**
   * Flips a bit on the disk of a node, in the value of a key or a random one: reading it gives
   * `CorruptDataError` until it is written anew. Returns the key; undefined if there is none.
   */
  flipBit(name: string, key?: string): string | undefined
  /** Stops a node as SIGSTOP does: its timers and messages wait. */
  pause(name: string): void
  resume(name: string): void
  /** Changes how messages are treated from now on. */
  conditions(conditions: Partial<NetworkConditions>): void
  /** Drops messages of one direction, silently. */
  block(from: string, to: string): void
  unblock(from: string, to: string): void
  /** Drops all messages of some nodes to others, silently: a one-way split. */
  blockAll(from: readonly string[], to: readonly string[]): void
  /**
   * Lets each node reach its nearest neighbours on a ring only, a majority, and no two the same one:
   * everybody can find a majority, and no majority agrees on who is in it.
   */
  majoritiesRing(names: readonly string[]): void
  /**
   * Drops all messages between nodes of different sides, silently. A node on no side is a bridge: it
   * reaches all of them.
   */
  split(...sides: readonly (readonly string[])[]): void
  /** Ends all blocks and splits. */
  heal(): void
  /** Closes the connection of two nodes; both hear of it. */
  disconnect(a: string, b: string): void
  /** Runs a task of the test at a later virtual time; the returned function cancels it. */
  after(delayMs: number, task: () => void): () => void
  /** Lets so much virtual time pass. */
  run(durationMs: number): Promise<void>
  /** Runs until the condition holds; false if it did not within the time. */
  until(done: () => boolean, withinMs: number): Promise<boolean>
  /** Runs until the promise settles, and gives its value or throws its error. @default 60,000 ms */
  wait<T>(promise: Promise<T> | T, withinMs?: number): Promise<T>
}

/**
 * Makes a simulation. Two runs with the same seed and the same code are equal, event by event.
 *
 * @example
 * ```ts
 * const simulation = createSimulation({ seed: 7 })
 * const [a, b] = [simulation.node('a'), simulation.node('b')]
 * b.rpc.handle('echo', (bytes) => bytes)
 * const answer = await simulation.wait(a.rpc.call('b', 'echo', Uint8Array.of(1)))
 * ```
 */
export function createSimulation(init: SimulationInit): Simulation {
  return new DeterministicSimulation(init)
}

/**
 * Makes an empty history of what clients do, for the checkers. `nowMs` stamps the lines that people
 * read; the order of events is the order of the calls.
 *
 * @example
 * ```ts
 * const history = createHistory<RegisterInput, RegisterOutput>(() => simulation.now)
 * const operation = history.invoke('client 1', 'x', { kind: 'read' })
 * operation.ok({ value: 7 })
 * assertLinearizable(history.operations, registerModel)
 * ```
 */
export function createHistory<I, O>(nowMs: () => number = () => 0): History<I, O> {
  return new RecordedHistory<I, O>(nowMs)
}
