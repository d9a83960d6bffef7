namespace Vmm.Storage.Vmdk;

/// <summary>A VMDK disk of any kind.</summary>
internal interface IVmdkImage
{
    VmdkDescriptor? Descriptor { get; }
}
