namespace Vmm.Storage.Qcow2;

/// <summary>A page's content at one moment, to be written later.</summary>
internal readonly record struct MetadataCopy(MetadataPage Page, ulong Offset, byte[] Data, uint Edits, uint Outdated);
