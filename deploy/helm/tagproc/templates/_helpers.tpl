{{- define "tagproc.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains "tagproc" .Release.Name -}}
{{- .Release.Name | trunc 47 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-tagproc" (.Release.Name | trunc 39 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{- define "tagproc.selector" -}}
app.kubernetes.io/name: tagproc
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "tagproc.labels" -}}
{{ include "tagproc.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- end -}}

{{- /* metadata of an object; a list of the context and of what its name ends with */ -}}
{{- define "tagproc.metadata" -}}
{{- $context := index . 0 -}}
name: {{ include "tagproc.fullname" $context }}{{ index . 1 }}
namespace: {{ $context.Release.Namespace }}
labels:
  {{- include "tagproc.labels" $context | nindent 2 }}
{{- end -}}

{{- define "tagproc.image" -}}
{{- .Values.image.repository -}}
{{- with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end -}}
{{- end -}}

{{- define "tagproc.configMap" -}}
{{- .Values.existingConfigMap | default (printf "%s-rules" (include "tagproc.fullname" .)) -}}
{{- end -}}

{{- define "tagproc.gatewayNamespace" -}}
{{- .Values.gateway.namespace | default .Release.Namespace -}}
{{- end -}}
