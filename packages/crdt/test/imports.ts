export type { Operation } from '@murmuration/interface'
export * from '../src/index.ts'
