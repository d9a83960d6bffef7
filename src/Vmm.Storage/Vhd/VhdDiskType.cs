namespace Vmm.Storage.Vhd;

/// <summary>The kinds of disk (VHD specification 1.0, "Disk Type").</summary>
public enum VhdDiskType : uint
{
    None = 0,
    Fixed = 2,
    Dynamic = 3,
    Differencing = 4,
}
