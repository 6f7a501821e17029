/**
 * Who a peer is and who may come in: keys, agent ids, signed envelopes, certificates, and admission
 * inside the libp2p connection upgrade.
 *
 * @packageDocumentation
 */
export { loadOrCreateKey } from './key-file.ts'
export { agentId, parseAgentId } from './core/agent-id.ts'
export type { AgentIdParts } from './core/agent-id.ts'
export {
  isSelfCertifying,
  issueCertificate,
  issueDelegate,
  peerOf,
  verifyCertificate
} from './certificates.ts'
export type { IssueDelegateInit, IssueInit, KeyName, VerifyOptions } from './certificates.ts'
export { certificateName, readCertificate } from './core/certificate.ts'
export type { Certificate, CertificateInit, VerifiedCertificate } from './core/certificate.ts'
export { createIssuer } from './issuer.ts'
export type { Issuer, IssuerInit } from './issuer.ts'
export { createInvitation, isPass, readInvitation } from './invitation.ts'
export type { Invitation, InviteInit } from './invitation.ts'
export { certificateMethods } from './certificate-messages.ts'
export {
  createCertificateService,
  storeCertificates,
  storedCertificates
} from './certificate-service.ts'
export type { CertificateService, CertificateServiceComponents } from './certificate-service.ts'
export { redeemInvitation } from './redemption.ts'
export { createEquivocationWatch } from './equivocation.ts'
export type { Equivocation, EquivocationWatch, Statement } from './equivocation.ts'
export { claimedSigner, createOpener, createSealer } from './sealing.ts'
export type {
  Envelope,
  Opener,
  OpenerInit,
  OpenOptions,
  OpenResult,
  Sealer,
  SealerInit,
  SealInit
} from './sealing.ts'
export {
  credentialsFromCertificate,
  credentialsFromSecret,
  openCredentials
} from './credentials.ts'
export type {
  CertificateCredentials,
  CertificateCredentialsInit,
  ClusterSecret,
  Credentials,
  OpenCredentialsInit,
  SecretCredentials,
  SecretCredentialsInit
} from './credentials.ts'
export { admission, admissionPrefix, notAdmittedError } from './admission.ts'
export { guardedStreams } from './guarded-streams.ts'
export type {
  Admission,
  AdmissionInit,
  EncrypterComponents,
  EncrypterFactory
} from './admission.ts'
export type { Admitted } from './admitted.ts'
export { privateNetwork } from './private-network.ts'
export { InsecureKeyFileError, InvalidCertificateError } from './errors.ts'
export type { CertificateFault } from './errors.ts'
