using Vmm.Storage;

namespace Vmm.Fuzz.Storage;

/// <summary>VMDK images: sparse, stream-optimized, descriptors.</summary>
public sealed class VmdkTarget() : ImageTarget(ImageFormat.Vmdk, "vmdk")
{
}
