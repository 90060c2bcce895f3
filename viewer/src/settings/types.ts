import type { components } from "../api/schema";

type Schemas = components["schemas"];

export type App = Schemas["AppAnswer"];
export type Key = Schemas["KeyAnswer"];
export type KeysAnswer = Schemas["KeysAnswer"];
export type NewKey = Schemas["NewKeyAnswer"];
export type Limits = Schemas["LimitsAnswer"];
export type LimitsSet = Schemas["Limits"];
export type ComponentLimits = Schemas["ComponentLimits"];
export type DayUse = Schemas["DayUse"];
export type Team = Schemas["TeamAnswer"];
export type Member = Schemas["MemberAnswer"];
export type Role = Member["role"];
export type AppRole = Schemas["MemberAnswer"]["app_roles"][string];
export type Invitation = Schemas["InvitationAnswer"];
export type NewInvitation = Schemas["NewInvitationAnswer"];
export type Token = Schemas["TokenAnswer"];
export type NewToken = Schemas["NewTokenAnswer"];
export type Masking = Schemas["MaskingAnswer"];
export type Rules = Schemas["Rules"];
export type OwnPattern = Schemas["OwnPattern"];
export type Block = Schemas["BlockAnswer"];
export type Share = Schemas["ShareAnswer"];
export type Refused = Schemas["RefusedAnswer"];
export type AuditEntry = Schemas["AuditAnswer"];
export type AuditPage = Schemas["AuditPage"];
